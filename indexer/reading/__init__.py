"""What one photo file shows and says of itself: everything here runs in, or talks to, the child that opens it."""
