"""Labels that are probably wrong: one score of every image, and how far the labels of similar images agree.

All of it is computed from probabilities that models give for images which they were not trained on, and from features:
NumPy, SciPy and scikit-learn. The data check, the detectors of the diagnosis and the records of runs use it.
"""
