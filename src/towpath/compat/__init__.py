"""What lets code that was written for another library work with towpath, until it is rewritten. One module for each library."""
