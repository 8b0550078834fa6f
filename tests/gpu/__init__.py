"""What is measured on a GPU, where there is one."""
