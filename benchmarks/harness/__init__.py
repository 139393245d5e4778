"""What runs cases, answers them, measures them and prints what came out."""
