from convoboss.main import main

main()
