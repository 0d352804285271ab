"""`python -m towpath`: the command line, for where its script is not on the path."""

import sys

from towpath._cli.main import main

sys.exit(main())
