"""The models a user fits: choices only, never data, never estimates."""
