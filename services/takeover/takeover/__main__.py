"""`python -m takeover`"""

from takeover.main import main

main()
