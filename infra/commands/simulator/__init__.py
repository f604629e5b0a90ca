"""Commands about what is sent: a tweet by hand, another rate or trend, whether a topic is a scenario."""
