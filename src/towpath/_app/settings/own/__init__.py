"""The settings of the service's own: the table `[settings]` of the service file as an object of the team's class."""
