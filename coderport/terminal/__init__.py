"""What people read and type: safe text, the screen, the progress, the end of a process, remedies to paste."""
