"""Tables of images: CSV and Parquet, opened by one reader for training, evaluation and prediction."""
