"""What the assistant knows: the catalogue of procedures, phrases, guides and places. No machine learning here."""
