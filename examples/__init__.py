"""Programs that use Headrace."""
