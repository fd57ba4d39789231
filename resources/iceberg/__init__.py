"""The feature groups' tables as Iceberg tables, for readers of that format; extra `iceberg`."""
