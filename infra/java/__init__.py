"""What the JVMs need: a Java installation, the locked jars, and class archives for a faster start."""
