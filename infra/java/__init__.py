"""What the JVMs need: a Java, the locked jars, and class archives to start faster with."""
