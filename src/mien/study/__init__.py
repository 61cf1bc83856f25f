"""What is to be computed (study files, plans) and what was (records, stores); no Keras here."""
