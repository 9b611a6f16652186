"""Speed and memory beside lifetimes in the same run, with the objective each one reached."""
