"""Prompts with yes/no questions of your own."""
