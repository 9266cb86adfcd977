"""Seeds the example bot and plays the story of a handover, through the doors that anybody may use."""
