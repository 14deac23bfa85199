"""The doctor: questions that find out what a server can do. Every question is a read; nothing is ever written."""
