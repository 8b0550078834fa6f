"""The errors that a user may see: one clear sentence each, shown without a traceback."""


class TriptychError(Exception):
    """The base of every error that is the user's to mend."""


class BackendMissingError(TriptychError):
    """A backend's framework is not installed."""


class DeviceMissingError(TriptychError):
    """The device asked for is not on this machine, or the framework cannot use it."""


class ConfigurationError(TriptychError):
    """A name, a constructor's argument or a setting does not exist or makes no sense."""


class InputError(TriptychError):
    """Inputs do not have the names, shapes or values that the network takes."""


class WeightsError(TriptychError):
    """Weights do not fit the network, or their file cannot be read or written."""


class EvidenceError(TriptychError):
    """A file of evidence cannot be read or written, or is not what it should be."""


class DataError(TriptychError):
    """A data set is missing, damaged, or cannot be downloaded or stored."""


class DownloadError(DataError):
    """A data set is not here, and no mirror gave it."""


class DivergedError(TriptychError):
    """A training's loss is no longer a finite number."""


class WorkerError(TriptychError):
    """A backend's process failed, or ended before it gave its result."""


class GuideError(TriptychError):
    """A chapter of the guide is not written as it should be, or its code fails."""
