"""Planning: reads what a patient asks, in the light of the talk before it; needs no model."""
