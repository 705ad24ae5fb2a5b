"""How it finds: text normalisation, encoder, FAISS, lexical search, fusion and decision."""
