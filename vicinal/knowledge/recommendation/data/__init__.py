"""Tables of users and items, and facts about the items."""
