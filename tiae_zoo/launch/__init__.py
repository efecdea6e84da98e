"""What the training verbs need around LightningCLI: their arguments, the checkpoint, the run's folder, error texts."""
