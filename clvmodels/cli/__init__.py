"""The command line.

`clvmodels recommend | summarize | fit | predict | compare | backtest | report`
"""

from clvmodels.cli.commands import app


def main() -> None:
    """Run the command line."""
    app(prog_name="clvmodels")
