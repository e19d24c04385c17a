"""One pydantic model per wire shape. What a client sends is refused when it holds anything that is not named here."""
