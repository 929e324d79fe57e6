"""How good predictions are: metrics with intervals, and calibration. NumPy, SciPy and scikit-learn, no Keras."""
