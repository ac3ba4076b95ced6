"""What the tests of adapters stand on: a registry, replicas of vLLM, and small adapters."""
