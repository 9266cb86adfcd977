"""Facebook in a box: the Graph API and the webhook sender of Messenger pages, for development and tests."""
