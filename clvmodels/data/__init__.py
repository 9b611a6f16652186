"""From a transaction log to one row per customer, with every row accounted for."""
