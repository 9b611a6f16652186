"""From purchases and spend to money: CLV, its totals, and the textbook formulas as models."""
