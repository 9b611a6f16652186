"""How good predictions turned out to be: metrics, baselines, the league table of a holdout."""
