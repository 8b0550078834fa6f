// What a page does: tabs where it is narrow, twins marked, the graph laid out and drawn.
"use strict";
document.documentElement.classList.add("scripted");

function all(selector, root = document) {
  return [...root.querySelectorAll(selector)];
}

// Tabs: the arrow keys go from one to the next, as the ARIA practices have it. Lists that are
// together, such as those of one chapter, turn together.
const lists = all("[role=tablist]").map((list) => {
  const tabs = all("[role=tab]", list);
  const group = document.getElementById(list.dataset.of);
  const choose = (panel) => {
    for (const other of tabs) {
      const chosen = other.dataset.panel === panel;
      other.setAttribute("aria-selected", chosen);
      other.tabIndex = chosen ? 0 : -1;
      for (const part of all(`[data-panel="${other.dataset.panel}"]`, group)) {
        part.classList.toggle("chosen", chosen);
      }
    }
    group.dispatchEvent(new CustomEvent("chosen", { detail: panel }));
  };
  return { list, tabs, choose };
});
for (const { list, tabs, choose } of lists) {
  const together = list.dataset.together
    ? lists.filter((other) => other.list.dataset.together === list.dataset.together)
    : [{ choose }];
  const turn = (tab) => {
    const before = tab.getBoundingClientRect().top;
    for (const other of together) other.choose(tab.dataset.panel);
    window.scrollBy(0, tab.getBoundingClientRect().top - before); // what was clicked stays there
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => turn(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length];
      turn(next);
      next.focus();
    });
  });
  choose(tabs[0].dataset.panel);
}

// Twins: what has the same key, in the columns, the table and the graph; and a topic's lines.
function mark(selectors) {
  for (const old of all(".lit")) old.classList.remove("lit");
  for (const selector of selectors) for (const twin of all(selector)) twin.classList.add("lit");
}
function twins(at) {
  const found = [];
  const { layer, place, topic } = at.dataset;
  if (layer) found.push(`[data-layer="${CSS.escape(layer)}"]`);
  if (place && at.closest(".graph")) found.push(`.line[data-place="${CSS.escape(place)}"]`);
  if (topic) found.push(`#${at.closest(".notes").dataset.of} [data-topics~="${CSS.escape(topic)}"]`);
  return found;
}
for (const kind of ["mouseover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const at = event.target.closest?.("[data-layer], .graph [data-place], [data-topic]");
    if (at) mark(twins(at));
    else if (kind === "mouseover") mark([]);
  });
}

// The graph.
const SVG = "http://www.w3.org/2000/svg";
function draw(tag, attributes, parent, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

class Graph {
  constructor(place) {
    this.place = place;
    this.graphs = JSON.parse(document.getElementById(place.dataset.source).textContent);
    this.open = new Set();
    this.show(Object.keys(this.graphs)[0]);
  }

  show(backend) {
    this.backend = backend;
    this.data = this.graphs[backend];
    this.blocks = new Map(this.data.blocks.map((block) => [block.name, block]));
    this.render();
  }

  toggle(name) {
    if (!this.open.delete(name)) this.open.add(name);
    this.render();
    this.place.querySelector(`[data-block="${CSS.escape(name)}"]`)?.focus();
  }

  setAll(open) {
    this.open = new Set(open ? this.blocks.keys() : []);
    this.render();
  }

  // The outermost closed block that a node is in, or the node itself.
  seen(node) {
    let found = node.name;
    for (let name = node.block; name; name = this.blocks.get(name).parent) {
      if (!this.open.has(name)) found = `block:${name}`;
    }
    return found;
  }

  render() {
    const layout = new dagre.graphlib.Graph({ compound: true, multigraph: true });
    layout.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 40, marginx: 16, marginy: 16 });
    const seen = new Map(this.data.nodes.map((node) => [node.name, this.seen(node)]));
    const add = (id, label, detail, extra) => {
      const width = Math.max(56, 18 + Math.max(7.6 * label.length, 6.8 * detail.length));
      layout.setNode(id, { label, detail, width, height: detail ? 40 : 28, ...extra });
    };
    const visible = (name) => !name || (this.open.has(name) && visible(this.blocks.get(name).parent));
    for (const block of this.data.blocks) {
      if (!visible(block.parent)) continue;
      const times = block.turns > 1 ? ` \u00d7${block.turns}` : "";
      if (this.open.has(block.name)) {
        layout.setNode(`open:${block.name}`, { block, label: `${block.name}: ${block.cls}${times}` });
      } else {
        add(`block:${block.name}`, `${block.cls}${times}`, block.name, { block });
      }
    }
    for (const node of this.data.nodes) {
      if (seen.get(node.name) !== node.name) continue;
      add(node.name, node.label, node.detail.slice(node.detail.startsWith(`${node.block}.`) ? node.block.length + 1 : 0), { node });
      if (node.block) layout.setParent(node.name, `open:${node.block}`);
    }
    for (const block of this.data.blocks) {
      if (!block.parent || !visible(block.parent)) continue;
      layout.setParent(`${this.open.has(block.name) ? "open" : "block"}:${block.name}`, `open:${block.parent}`);
    }
    const drawn = new Set();
    for (const [from, to, shape] of this.data.arrows) {
      const ends = [seen.get(from), seen.get(to)];
      const key = `${ends.join(">")}>${shape}`;
      if (ends[0] === ends[1] || drawn.has(key)) continue;
      drawn.add(key);
      layout.setEdge(ends[0], ends[1], { shape, width: 6.6 * shape.length + 8, height: 14, labelpos: "c" }, key);
    }
    dagre.layout(layout);
    this.paint(layout);
  }

  paint(layout) {
    const { width, height } = layout.graph();
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `${this.place.dataset.title}, as ${this.backend} ran it`);
    const defs = draw("defs", {}, svg);
    const head = draw("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, defs);
    draw("path", { d: "M0 0 8 4 0 8Z", class: "head" }, head);
    const ids = layout.nodes();
    const depth = (id) => { const up = layout.parent(id); return up ? 1 + depth(up) : 0; };
    for (const id of ids.filter((one) => one.startsWith("open:")).sort((a, b) => depth(a) - depth(b))) {
      const box = layout.node(id);
      const group = draw("g", { class: "block" }, svg);
      draw("rect", { x: box.x - box.width / 2, y: box.y - box.height / 2, width: box.width, height: box.height }, group);
      const title = draw("text", { x: box.x - box.width / 2 + 10, y: box.y - box.height / 2 + 17, class: "title" }, group, `\u2212 ${box.label}`);
      this.button(title, box.block, true);
    }
    for (const edge of layout.edges()) {
      const { points, shape, x, y } = layout.edge(edge);
      const path = points.map((p, i) => `${i ? "L" : "M"}${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("");
      draw("path", { d: path, class: "arrow", "marker-end": "url(#head)" }, svg);
      draw("text", { x, y: y + 4, class: "shape", "text-anchor": "middle" }, svg, shape);
    }
    for (const id of ids) {
      const box = layout.node(id);
      if (id.startsWith("open:")) continue;
      const { node, block } = box;
      const kind = block ? "closed" : node.kind;
      const group = draw("g", { class: `node ${kind}${node?.detail ? " layer-node" : ""}` }, svg);
      const key = (block ?? node).key;
      if (key) group.dataset.layer = key;
      if (node?.place) group.dataset.place = `${this.backend}:${node.place}`;
      if (node) {
        group.setAttribute("tabindex", 0);
        group.setAttribute("role", "img");
        group.setAttribute("aria-label", `${node.label} ${node.detail}, gives ${node.shape}`);
      }
      draw("rect", { x: box.x - box.width / 2, y: box.y - box.height / 2, width: box.width, height: box.height }, group);
      draw("text", { x: box.x, y: box.y + (box.detail ? -2 : 5), "text-anchor": "middle" }, group, (block ? "+ " : "") + box.label);
      if (box.detail) draw("text", { x: box.x, y: box.y + 13, class: "detail", "text-anchor": "middle" }, group, box.detail);
      if (block) this.button(group, block, false);
    }
    this.place.replaceChildren(svg);
  }

  button(element, block, open) {
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", 0);
    element.setAttribute("aria-expanded", open);
    element.setAttribute("aria-label", `${block.name}: ${block.cls}`);
    element.dataset.block = block.name;
    element.addEventListener("click", () => this.toggle(block.name));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.toggle(block.name);
      }
    });
  }
}

for (const place of all(".graph")) {
  const graph = new Graph(place);
  place.addEventListener("chosen", (event) => graph.show(event.detail));
  for (const button of all(`[data-open][data-of="${place.id}"]`)) {
    button.addEventListener("click", () => graph.setAll(button.dataset.open === "all"));
  }
}
