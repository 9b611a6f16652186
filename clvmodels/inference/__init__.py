"""From a likelihood to an estimate: what a fit is, and the methods that make one."""
