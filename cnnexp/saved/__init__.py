"""Finished models: their card, predictions, evaluation on other images, and export.

This face has what a prediction needs. Other modules are imported by name, because they import more.
"""

from cnnexp.saved.image_files import ListedImage, list_images
from cnnexp.saved.prediction import Answer, Prediction, open_model, predict

__all__ = ["Answer", "ListedImage", "Prediction", "list_images", "open_model", "predict"]
