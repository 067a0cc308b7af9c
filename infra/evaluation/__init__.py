"""How well faces are told apart: photos to scores, scores to figures and pictures."""
