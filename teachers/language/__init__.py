"""Teachers that write their tasks as text: language models, and what stands in for them."""
