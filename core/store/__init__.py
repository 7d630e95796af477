"""Redis: every record that must survive a process. Nothing above these modules knows Lua or redis-py's types."""
