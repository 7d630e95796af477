"""`reelgate doctor`: does this installation work, and which open doubts about the backend does it settle?"""
