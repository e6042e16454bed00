"""EnOS over HTTP: the only package that talks to gateways and knows EnOS's codes and statuses."""
