"""The web application: authentication, the API and the pages."""
