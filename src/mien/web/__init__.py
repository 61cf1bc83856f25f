"""The service: photos over HTTP, the page that it serves, and the notice that goes with both."""
