"""What people look at: plots with the numbers behind them, tables for the terminal, and a page."""
