"""What heads are trained on, how, and where what was trained is kept."""
