"""What every service shares. Import the module that is needed: nothing is loaded here, start-up time counts."""
