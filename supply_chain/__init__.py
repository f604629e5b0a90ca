"""What the lab is made of: a list of its parts, their licences, their known holes. Tools for developers; nothing imports them."""
