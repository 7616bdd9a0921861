"""Form, waviness and roughness of height maps: ISO 25178-2 and ISO 16610-61."""
