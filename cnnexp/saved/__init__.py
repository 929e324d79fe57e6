"""What is done with a finished model: its card is drawn up, it is asked, judged again and exported."""
