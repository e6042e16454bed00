"""EnOS, over HTTP: the one package that speaks it, and that knows EnOS's words and numbers."""
