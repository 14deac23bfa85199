"""What a server can do, asked question by question: the doctor. Every question is a read; nothing is ever written."""
